package fetch_test

import (
	"testing"
	"testing/synctest"

	"hither/forward/fetch"
	"hither/rules"
)

func TestAPartOfWhatIsKeptIsBetterThanNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Parts = func(m rules.Match) []fetch.Part {
			if m.Clean != "/doc/half" {
				return nil
			}
			return []fetch.Part{{Of: w.request("/doc/gone").Match, Size: 4}, {Of: w.request("/doc/whole").Match, Size: 4}}
		}
		w.put("/doc/whole", []byte("wholesome"))
		w.get("/doc/whole")
		expect(t, w.get("/doc/half"), "404 not here from reg (negative) after [reg]")
		sleepMinutes(2)
		w.hosts["reg"].dead = true
		expect(t, w.get("/doc/half"), "whol from reg (stale) after [reg]")
		expect(t, w.get("/doc/other"), "failure 502 after [reg]")
	})
}
