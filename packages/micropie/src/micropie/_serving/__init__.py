"""One exchange with a client, from the App's door to the last byte."""
