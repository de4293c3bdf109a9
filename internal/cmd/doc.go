// Package cmd is the door: flags, environment, signals and wiring live here
// and go no further. Each subcommand has a file of its own and returns a
// *cobra.Command from a constructor that Root lists. Nobody imports this
// package but main.
package cmd
