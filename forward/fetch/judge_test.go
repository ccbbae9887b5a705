package fetch

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// FuzzContentRange has what anybody may say of the part that he sends: only the part that was asked for is taken, and that one
// however its unit is written.
func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10", int64(5), int64(0), int64(10), int64(5))
	f.Add("Bytes 5-6/10", int64(5), int64(7), int64(10), int64(-1))
	f.Add("bytes 0-+9/+10", int64(0), int64(0), int64(10), int64(10))
	f.Add("bytes 5-9/*", int64(5), int64(20), int64(10), int64(5))
	f.Fuzz(func(t *testing.T, said string, offset, upto, size, length int64) {
		part := func(said string, length int64) *http.Response {
			return &http.Response{ContentLength: length, Header: http.Header{"Content-Range": {said}}}
		}
		if total, err := rangeTotal(part(said, length), offset, upto); err == nil {
			end := total
			if upto > 0 && upto < total {
				end = upto
			}
			if want := fmt.Sprintf("bytes %d-%d/%d", offset, end-1, total); !strings.EqualFold(said, want) {
				t.Errorf("got  %q\nwant %q", said, want)
			}
			if length >= 0 && length != end-offset {
				t.Errorf("%d bytes are taken for %q", length, said)
			}
		}
		end := size
		if upto > 0 && upto < size {
			end = upto
		}
		if offset < 0 || upto < 0 || end <= offset {
			return
		}
		right := fmt.Sprintf("bytes %d-%d/%d", offset, end-1, size)
		for _, said := range []string{right, strings.ToUpper(right)} {
			if total, err := rangeTotal(part(said, end-offset), offset, upto); total != size || err != nil {
				t.Errorf("%s\ngot  %d, %v\nwant %d", said, total, err, size)
			}
		}
	})
}
