"""What the server is doing, in numbers: gathered where things happen, summed over processes, told to Prometheus."""
