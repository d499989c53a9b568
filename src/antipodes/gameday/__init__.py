"""GameDay: virtual users, disasters, the audit of every acknowledged write, the verdict, the story of it all."""
