"""Every setting of the product, typed and described, and the shape of its log."""
