"""The pushed model in other formats: converted and tried in processes without secrets, and refused where it differs."""
