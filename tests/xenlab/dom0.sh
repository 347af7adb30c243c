#!/bin/sh
# What dom0 runs once the tool stack is up; comes over the shared folder, so that no image holds it.
mkdir -p /run/aerostat
cd /app/lab/python && PYTHONDONTWRITEBYTECODE=1 exec python3 -X utf8 -m tests.xenlab.driver
