package mirrors

import (
	"testing"
	"time"

	"hither/cmd/hither/hithertest"
	"hither/forward/measure"
)

func TestAChoiceIsSaidInASentence(t *testing.T) {
	place := func(base string, state measure.State, wait time.Duration) measure.Place {
		return measure.Place{Base: base, State: state, Requests: 212, P50: wait, Reason: "p50 TTFB " + millis(wait) + " over 212 requests"}
	}
	near, far, origin := place("https://goproxy.cn", measure.Good, 38*ms), place("https://mirrors.aliyun.com/goproxy", measure.Good, 61*ms), place("https://reg.test", measure.Good, 412*ms)
	resting, hole := far, far
	resting.State, hole.Hole = measure.Ejected, true
	fresh := measure.Place{Base: "https://reg.test", State: measure.Untried, Reason: notMeasured}
	for _, row := range []struct {
		name   string
		places []measure.Place
		pin    string
		want   string
	}{
		{"a mirror is clearly the best", []measure.Place{near, far, origin}, "", "goproxy.cn, because p50 TTFB 38 ms over 212 requests; runner-up mirrors.aliyun.com/goproxy 61 ms; origin 412 ms"},
		{"the origin is next", []measure.Place{near, origin, far}, "", "goproxy.cn, because p50 TTFB 38 ms over 212 requests; runner-up reg.test 412 ms"},
		{"one that is left alone is no runner-up", []measure.Place{near, resting, origin}, "", "goproxy.cn, because p50 TTFB 38 ms over 212 requests; runner-up reg.test 412 ms"},
		{"one that lacks the object neither", []measure.Place{near, hole}, "", "goproxy.cn, because p50 TTFB 38 ms over 212 requests"},
		{"the user's choice", []measure.Place{near, far}, "https://goproxy.cn", "goproxy.cn, because you pinned it; p50 TTFB 38 ms over 212 requests; runner-up mirrors.aliyun.com/goproxy 61 ms"},
		{"nothing is known", []measure.Place{fresh, near}, "", "reg.test (the origin), because nothing is measured yet"},
	} {
		got := NewChoice(row.places, row.pin, func(base string) bool { return base == "https://reg.test" }).Sentence()
		hithertest.Same(t, row.name, got, row.want)
	}
	if NewChoice(nil, "", nil) != nil {
		t.Error("of nobody\n got a choice\nwant none")
	}
}

func TestAChoiceIsGivenInWords(t *testing.T) {
	for _, row := range []struct {
		c    Choice
		want string
	}{
		{Choice{Base: "https://a.test", Reason: "p50 TTFB 38 ms over 212 requests", P50: 38 * ms, RunnerUp: "https://b.test", Then: 61 * ms, Official: 412 * ms},
			"a.test, because p50 TTFB 38 ms over 212 requests; runner-up b.test 61 ms; origin 412 ms"},
		{Choice{Base: "https://a.test", Reason: notMeasured}, "a.test, because nothing is measured yet"},
		{Choice{Base: "https://a.test", Origin: true, Reason: notMeasured + "; before the mirrors"}, "a.test (the origin), because nothing is measured yet; before the mirrors"},
		{Choice{Base: "https://a.test", Pinned: true, Reason: notMeasured}, "a.test, because you pinned it; nothing is measured yet"},
		{Choice{Base: "https://a.test", Reason: "has not sent an object yet (web page last)"}, "a.test, because no other is known to be better (has not sent an object yet (web page last))"},
	} {
		hithertest.Same(t, row.c.Reason, row.c.Sentence(), row.want)
	}
}
