// Package measure knows how fast and how reliable each upstream was, and says whom to ask first.
//
// A [Board] learns from transfers, which are handed to [Board.Add]. It sends nothing itself. [Board.Order] sorts the
// upstreams of one object by what they did lately, and changes its mind slowly, so that connections stay warm.
package measure
