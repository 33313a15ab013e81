"""What sweeps leave behind: records, the folder that they are in, and what is read off them."""
