"""The JSON spoken with agents and apps: jobs, results, and what they tell of the machine."""
