"""AWS IAM, thin: roles and policies are kept and described, not enforced."""
