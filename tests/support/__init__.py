"""What tests share: helpers to import, in place of fixtures that hand out functions."""
