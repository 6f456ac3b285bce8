"""What the services need from the world, as protocols and plain values. No code that acts."""
