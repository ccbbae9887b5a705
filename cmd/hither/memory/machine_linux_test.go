package memory

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestTheLeastLimitOfAControlGroupCounts(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, c := range []struct {
		name string
		root fstest.MapFS
		want int64
	}{
		{"no control groups", fstest.MapFS{}, math.MaxInt64},
		{"version 2, our own", fstest.MapFS{
			"proc/self/cgroup": file("0::/user/build\n"), "sys/fs/cgroup/user/build/memory.max": file("300\n"), "sys/fs/cgroup/user/memory.max": file("max\n"),
		}, 300},
		{"version 2, one above", fstest.MapFS{
			"proc/self/cgroup": file("0::/user/build\n"), "sys/fs/cgroup/user/build/memory.max": file("300\n"), "sys/fs/cgroup/user/memory.max": file("200\n"),
		}, 200},
		{"a container that sees the machine's path", fstest.MapFS{"proc/self/cgroup": file("0::/docker/abc\n"), "sys/fs/cgroup/memory.max": file("100\n")}, 100},
		{"version 1", fstest.MapFS{
			"proc/self/cgroup": file("12:cpu,cpuacct:/x\n5:memory:/docker/abc\n0::/\n"),
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": file("400\n"),
		}, 400},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("\n0::../../..\n:::\n0::/\n"), "sys/fs/cgroup/memory.max": file("-7\n")}, math.MaxInt64},
	} {
		if got := groupMemory(c.root); got != c.want {
			t.Errorf("%s: the limit is %d, want %d", c.name, got, c.want)
		}
	}
}

func TestTheHeapHasAShareOfTheMachine(t *testing.T) {
	for machine, want := range map[int64]int64{0: mostMemory, 64 << 20: 32 << 20, 1 << 30: leastMemory, 4 << 30: 256 << 20, 64 << 30: mostMemory} {
		if got := memoryBudget(machine); got != want {
			t.Errorf("of %d bytes the heap has %d, want %d", machine, got, want)
		}
	}
}

func TestInASmallContainerLessIsHeld(t *testing.T) {
	for machine, want := range map[int64]int64{0: 128 << 20, 64 << 20: 16 << 20, 256 << 20: 64 << 20, 512 << 20: 128 << 20, 64 << 30: 128 << 20} {
		if got := scaled(128<<20, machine); got != want {
			t.Errorf("of %d bytes %d are held of 128 MiB, want %d", machine, got, want)
		}
	}
}
