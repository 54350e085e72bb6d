//! A run that never was, told.
