"""HTTP layer shared by all routes: operations, input, errors, request filters, rendering."""
