"""What the platform asks the customer's user centre: who a token is, what was revoked, profiles.

The platform stores no accounts. If the user centre is down, what was verified stays verified and
open connections live on; only tokens never seen before are answered UNAVAILABLE.
"""
