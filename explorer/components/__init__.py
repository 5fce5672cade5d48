"""Components of the page, each made from what the address asks for."""
