"""
The host half of Azure Functions: webhook, queue listeners and HTTP routes around Microsoft's own worker library.

What runs the functions is genuine (indexing, decoding, encoding, invocation); what calls them is ours.
"""
