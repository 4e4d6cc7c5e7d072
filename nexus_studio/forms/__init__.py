"""Field descriptions as forms: description -> widgets -> plain values. One editor a field kind, one a condition kind."""
