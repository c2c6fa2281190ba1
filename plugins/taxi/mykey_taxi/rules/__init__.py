"""The programme as data: rule packs, who may ride, and how a ride is judged. Nothing here knows a database."""
