"""One Region: services over a store over a world, and the path of a request through them."""
