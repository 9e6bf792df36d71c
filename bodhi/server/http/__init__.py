"""What every route shares: operations, input, errors, request filters, rendering."""
