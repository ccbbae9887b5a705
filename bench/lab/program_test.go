//go:build linux

package lab

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

type found struct{ Well bool }

func (f found) Held() bool { return f.Well }

func TestAProgramsStatusAndWhereItsWordsGo(t *testing.T) {
	parse := func(args []string, diagnostics io.Writer) (o Options, err error) {
		flags := o.Flags("toy", "the `rows` to run", diagnostics)
		return o, o.Read(flags, args, "row", func(name string) bool { return name != "nowhere" })
	}
	work := func(_ context.Context, o Options, text io.Writer) (Report, error) {
		_, _ = io.WriteString(text, "text") // a strings.Builder takes all
		switch strings.Join(o.Only, " ") {
		case "missed":
			return found{}, nil
		case "broken":
			return nil, errors.New("no namespace")
		case "cut short":
			return found{}, errors.New("interrupted")
		}
		return found{true}, nil
	}
	for _, c := range []struct {
		args, out, said string
		status          int
	}{
		{"", "text", "", 0},
		{"-json", `{"Well":true}`, "text", 0},
		{"-run missed", "text", "", 1},
		{"-run broken -json", "", "texttoy: no namespace\n", 1},
		{"-run cut,short -json", `{"Well":false}`, "texttoy: interrupted\n", 1},
		{"-run nowhere", "", "toy: there is no row \"nowhere\"; see -h\n", 2},
		{"all", "", "toy: \"all\" is not understood; name rows with -run\n", 2},
	} {
		var out, said strings.Builder
		status := Program[Options]{"toy", parse, work}.Run(t.Context(), strings.Fields(c.args), &out, &said)
		got := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \n", r) {
				return -1
			}
			return r
		}, out.String())
		if status != c.status || got != c.out || said.String() != c.said {
			t.Errorf("toy %s\ngot  %d, %q, %q\nwant %d, %q, %q", c.args, status, got, said.String(), c.status, c.out, c.said)
		}
	}
}
