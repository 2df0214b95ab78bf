"""Inspection: which sites are visited by whom and when. Pure: no web, no database, no lake, no model."""
