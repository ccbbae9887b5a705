package terminal

// Ink colours parts of a line. The zero ink leaves them as they are.
type Ink struct{ On bool }

// With puts a text between an escape sequence of that code (ECMA-48, "SGR") and its end.
func (k Ink) With(code, text string) string {
	if !k.On || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold stands out.
func (k Ink) Bold(text string) string { return k.With("1", text) }

// Dim is for what may be passed over.
func (k Ink) Dim(text string) string { return k.With("2", text) }

// Red is for what is wrong.
func (k Ink) Red(text string) string { return k.With("31", text) }

// Green is for what is right, or chosen.
func (k Ink) Green(text string) string { return k.With("32", text) }
