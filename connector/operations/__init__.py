"""What people ask and do, whether at a terminal, in the console or over the API."""
