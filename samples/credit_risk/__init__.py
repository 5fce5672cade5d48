"""The credit-risk sample: who will not pay a loan back, as an Azure ML pipeline of four steps."""
