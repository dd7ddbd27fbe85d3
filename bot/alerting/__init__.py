"""The rules of the product, pure: invitations, deadlines, acknowledgements, quiet hours, incidents."""
