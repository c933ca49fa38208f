"""What the original study claimed, as data that is fixed before anything is measured."""
