"""The type system of the catalog: definitions, what they may be, and the values that attributes take."""
