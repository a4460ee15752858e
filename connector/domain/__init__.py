"""Facts and rules of invoicing: values that cannot be wrong twice. Imports only the standard library."""
