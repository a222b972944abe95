"""What the demos of the examples share: a private local AWS with Perch and a sample service on it, and callers.

ledger   what callers saw, by second and by version
load     sends requests at a steady rate
callers  asks a service over HTTP
command  the `perch` command, and waiting for what it says
images   packs files as an image and pushes it, without Docker
stage    one stack: Perch, the target, the callers, and a release followed to its end
results  how an act ended, and the table of all
parts    plays several stacks side by side, and shows one after the other
demo     an example's whole demo: images pushed, each released as it should end
"""
