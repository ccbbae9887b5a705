// Package measure knows how fast and how reliable each upstream was, and says whom to ask first.
//
// A [Board] learns from transfers, which are handed to [Board.Add]: what real traffic saw first, what probes saw where there
// is little traffic. It sends nothing itself. [Board.Order] sorts the upstreams of one object by the time they would need
// for it, as far as that can be told from what they did lately, and changes its mind slowly, so that connections stay warm.
// [Board.Rank] tells the same order with its reasons. [Board.Save] and [Board.Load] carry all of it over a restart.
//
// A [Prober] measures one upstream, phase by phase. [Rounds] lets it do so where traffic does not tell: seldom, and only
// for registries that are in use. A [Hedger] says how often a second source may be asked because the first is late.
package measure
