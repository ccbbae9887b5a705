package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// jsonMember is one member of an object as it stands in the text.
type jsonMember struct {
	key        string
	start, end int // of the value
}

// PutFirst puts item at the head of the list of strings that the object's key holds, and makes the list if there is
// none. Every other byte stays as it is. What is added is a line of its own with the comma on it, or part of a line that
// closes what it opens: so Undo, which knows lines only, leaves JSON behind whatever others have written since. An empty
// String stands for {}, as it does for dockerd.
func PutFirst(text []byte, key, item string) ([]byte, error) {
	body := bytes.TrimPrefix(text, []byte("\ufeff"))
	bom := text[:len(text)-len(body)]
	quoted, err := json.Marshal(item)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return fmt.Appendf(nil, "%s{%q: [%s]}\n", bom, key, quoted), nil
	}
	open, members, err := jsonMembers(body)
	if err != nil {
		return nil, fmt.Errorf("is not JSON as it should be (%w): put it right, or add %q: [%s] by hand", err, key, quoted)
	}
	i := slices.IndexFunc(members, func(m jsonMember) bool { return m.key == key })
	var out []byte
	if i < 0 {
		out = jsonAddMember(body, open, len(members) > 0, fmt.Sprintf("%q: [%s]", key, quoted))
	} else if out, err = jsonAddItem(body, members[i], item, string(quoted)); err != nil {
		return nil, fmt.Errorf("has a %q that is no list of strings: make it one, or take it away", key)
	}
	if err := jsonSameBut(body, out, key); err != nil {
		return nil, err
	}
	return append(slices.Clone(bom), out...), nil
}

// jsonMembers returns the place after the opening brace and the members of the one object that the text is. A key that
// comes twice is an error, because readers disagree which one counts.
func jsonMembers(text []byte) (open int, members []jsonMember, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if token, err := dec.Token(); err != nil {
		return 0, nil, jsonError(err)
	} else if token != json.Delim('{') {
		return 0, nil, errors.New("it does not begin with a brace")
	}
	open = int(dec.InputOffset())
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, nil, jsonError(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, nil, jsonError(err)
		}
		m := jsonMember{key: key.(string), end: int(dec.InputOffset())} // the decoder lets only strings be keys
		m.start = m.end - len(value)
		if slices.ContainsFunc(members, func(other jsonMember) bool { return other.key == m.key }) {
			return 0, nil, fmt.Errorf("it has %q twice", m.key)
		}
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return 0, nil, jsonError(err)
	}
	if rest := bytes.TrimSpace(text[dec.InputOffset():]); len(rest) > 0 {
		return 0, nil, errors.New("something stands after its last brace")
	}
	return open, members, nil
}

func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

// jsonAddMember puts a member behind the opening brace.
func jsonAddMember(text []byte, open int, more bool, member string) []byte {
	blank := blankAfter(text, open)
	line := strings.LastIndexByte(blank, '\n')
	switch {
	case !more:
		return slices.Concat(text[:open], []byte(member), text[open+len(blank):])
	case line >= 0:
		if line > 0 && blank[line-1] == '\r' {
			line--
		}
		return slices.Concat(text[:open], []byte(blank[line:]+member+","), text[open:])
	}
	return slices.Concat(text[:open], []byte(blank+member+", "), text[open+len(blank):])
}

// jsonAddItem puts an item at the head of a list; null is an empty one.
func jsonAddItem(text []byte, m jsonMember, item, quoted string) ([]byte, error) {
	var list []string
	if err := json.Unmarshal(text[m.start:m.end], &list); err != nil {
		return nil, err
	}
	if slices.Contains(list, item) {
		return text, nil
	}
	if len(list) == 0 {
		return slices.Concat(text[:m.start], []byte("["+quoted+"]"), text[m.end:]), nil
	}
	open := m.start + 1
	blank := blankAfter(text, open)
	if strings.Contains(blank, "\n") {
		return slices.Concat(text[:open], []byte(blank+quoted+","), text[open:]), nil
	}
	return slices.Concat(text[:open], []byte(blank+quoted+", "), text[open+len(blank):]), nil
}

// jsonSameBut proves that two objects differ in nothing but one key. Where it fails, a fault of ours would have changed
// what the user wrote.
func jsonSameBut(before, after []byte, key string) error {
	var a, b map[string]any
	if err := json.Unmarshal(before, &a); err != nil {
		return fmt.Errorf("is not JSON as it should be (%w): put it right", err)
	}
	if err := json.Unmarshal(after, &b); err != nil {
		return fmt.Errorf("could not be added to safely (%w): add %q by hand", err, key)
	}
	delete(a, key)
	delete(b, key)
	if len(a)+len(b) > 0 && !reflect.DeepEqual(a, b) {
		return fmt.Errorf("could not be added to without changing the rest: add %q by hand", key)
	}
	return nil
}

func blankAfter(text []byte, at int) string {
	rest := text[at:]
	return string(rest[:len(rest)-len(bytes.TrimLeft(rest, " \t\r\n"))])
}
