"""Did the customer say yes? Reads an offer and the reply to it, in any language, without a network."""
