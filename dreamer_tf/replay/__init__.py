"""The experience dataset (paper 2.1) and the rules that sample it."""
