package measure

import "fmt"

// Class is how large an object is, as far as it decides who is fastest: small ones are all waiting, large ones all rate.
type Class int

const (
	Small  Class = iota // below 64 KiB, and what is not known
	Medium              // below 4 MiB
	Large
	classes = iota
)

const (
	mediumFrom = 64 << 10
	largeFrom  = 4 << 20
)

// ClassOf is the class of so many bytes; what is below 1 is not known.
func ClassOf(size int64) Class {
	switch {
	case size >= largeFrom:
		return Large
	case size >= mediumFrom:
		return Medium
	}
	return Small
}

// String says the class in a word.
func (c Class) String() string { return [...]string{"small", "medium", "large"}[c] }

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) {
	if c < 0 || c >= classes {
		return nil, fmt.Errorf("%d is no class", int(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Class) UnmarshalText(text []byte) error {
	for known := range Class(classes) {
		if known.String() == string(text) {
			*c = known
			return nil
		}
	}
	return fmt.Errorf("%q is no class", text)
}

// typical is a size to predict with, in bytes, where the object's own is not known.
func (c Class) typical() int64 { return [...]int64{16 << 10, 1 << 20, 32 << 20}[c] }

// size is that of the object, or what is usual in its class.
func (o Object) size() int64 {
	if o.Size > 0 {
		return o.Size
	}
	return o.class().typical()
}

// Object is what is about to be asked for. The zero Object is small, and nobody is known to lack it.
type Object struct {
	Name    string // as in Sample.Name
	Size    int64  // expected, in bytes; 0: not known
	Changes bool   // it may change: an upstream that is behind the origin may send an old one
}
