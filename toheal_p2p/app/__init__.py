"""The application: the one place where everything is put together, and what its doors see of it."""
