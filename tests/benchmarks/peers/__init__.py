"""What ponderd is compared with. These files run in a virtual environment of their own
(requirements.txt beside them) and import nothing of ponderd's.
"""
