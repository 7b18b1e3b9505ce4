"""Texts in, probabilities out: which posted incident is this message about?

Knows nothing of tenants, requests or storage, and is the only home of the model libraries. They take seconds to
import, so each is imported inside the function that needs it.
"""
