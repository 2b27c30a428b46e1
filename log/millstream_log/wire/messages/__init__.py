"""The messages of every API we speak, one file for each: request, response and their parts."""
