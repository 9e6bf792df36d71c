"""List and end sessions."""
