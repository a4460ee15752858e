"""The tables of the configuration file; descriptions of fields become the comments of the sample file."""
