"""glance-profile as `openstack image profile` commands.

Nothing is decided here. The client reads its configuration and logs in; the
line and the login then go to the glance-profile program, which does the work.
"""
