"""What the product remembers between messages: the queue, the ledger and the dead letters."""
