"""What was issued, kept for the years that the law asks for: a place of files that are written once.

`storage` is the place, `keeping` fetches and stores, `manifest` makes it verifiable without this software,
`verification` verifies it, `evidence` packs what is known of a period's invoices into one file.
"""
