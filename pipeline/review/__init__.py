"""Review by people: rows worth a look go out, decisions come back, and outrank every stage."""
