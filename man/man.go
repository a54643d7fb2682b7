// Package man holds the manual pages. They are made by gen: what a page says of
// options, rules, formats and policies is asked of the program, the rest stands
// in gen/pages.
package man

//go:generate go run ./gen
