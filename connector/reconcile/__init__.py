"""ERP, ledger and B2Brouter side by side: whatever is not the same on all three sides is named, with its cure.

`scratch` holds the three sides in a temporary file, `differences` compares them there, `judgement` asks again
before anything is said, and `reconciler` does it for an account and writes down what came of it.
"""
