package netwatch

import (
	"context"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hither/cmd/hither/hithertest"
)

func TestAChangeOfTheNetworkIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Value
		var slept atomic.Int64
		var told atomic.Value
		var calls atomic.Int64
		var blind atomic.Bool
		now.Store("home")
		told.Store("")
		n := Watch{
			Look: func() (string, error) {
				if blind.Load() {
					return "", syscall.EMFILE
				}
				return now.Load().(string), nil
			},
			Wall:    func() time.Time { return time.Now().Round(0).Add(time.Duration(slept.Load())) },
			Changed: func(why string) { calls.Add(1); told.Store(why) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		for _, step := range []struct {
			name  string
			do    func()
			calls int64
			says  string
		}{
			{"nothing happens", func() {}, 0, ""},
			{"another network", func() { now.Store("café") }, 1, "the network changed"},
			{"it stays", func() {}, 1, "the network changed"},
			{"it cannot be seen", func() { blind.Store(true) }, 1, "the network changed"},
			{"it is seen again", func() { blind.Store(false) }, 1, "the network changed"},
			{"the clock is put right by seconds", func() { slept.Add(int64(9 * time.Second)) }, 1, "the network changed"},
			{"the clock is put back", func() { slept.Add(-int64(time.Hour)) }, 1, "the network changed"},
			{"the machine slept", func() { slept.Add(int64(time.Hour)) }, 2, "asleep for 1h"},
			{"no network", func() { now.Store("") }, 3, "the network changed"},
		} {
			step.do()
			<-time.After(20 * time.Second)
			synctest.Wait()
			hithertest.Same(t, step.name, calls.Load(), step.calls)
			hithertest.Contains(t, told.Load().(string), step.says)
		}
		cancel()
		hithertest.Same(t, "end", <-done, nil)
	})
}

func TestNetworksAreToldApartByWhatStays(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.1.7/24": "192.168.1.7/24", "2001:db8:1:2:aaaa::1/64": "2001:db8:1:2::/64", "fe80::1/64": "", "127.0.0.1/8": "", "169.254.3.4/16": "", "nonsense": "",
	} {
		hithertest.Same(t, text, networkOf(text), want)
	}
	now, err := networkNow()
	if strings.Contains(now, "127.0.0.1") || err != nil {
		t.Errorf("\n got %s, %v\nwant no loopback", now, err)
	}
}
