package main

import "github.com/meshwright/meshwright/hack/bundlecheck"

// evidence is what a level of capability asks for, and the test that shows it,
// as "file:function". Without a test there is no claim.
type evidence struct{ asks, test string }

// capabilities are the levels, lowest first, as in bundlecheck.Levels.
var capabilities = [][]evidence{
	{
		{"installs by one object", "internal/test/e2e/zlifecycle/profile_test.go:TestGatewaysComeAndGoWithTheProfile"},
		{"waits for health and says so in status", "controllers/meshinstall_status_test.go:TestEachSituationIsRightUnderKstatus"},
		{"names the images of operands", "hack/bundle/main_test.go:TestBundleIsUpToDateAndRight"},
	},
	{
		{"updates operands when the object changes", "controllers/rollout_test.go:TestCanaryGivesTheMeshStepByStep"},
		{"says in status that a version is not supported", "controllers/input_test.go:TestMistakesStallWithFieldAndFixAndMend"},
		{"says when it is not to be updated itself", "controllers/operator_condition_test.go:TestOLMIsToldNotToUpdateTheOperatorDuringACanary"},
		{"updates without a lost request", ""},
	},
	{
		{"backs up and restores", "internal/backup/backup_test.go:TestBackupOfOneClusterIsRestoredInAnother"},
		{"rolls back", "controllers/rollout_test.go:TestCanaryWhoseProxiesRefuseIsPutBack"},
		{"keeps probes and requests", "internal/install/plan/security_test.go:TestEveryPodHasProbesAndRequests"},
		{"keeps disruption budgets", "internal/install/plan/production_test.go:TestNoBudgetBlocksADrain"},
		{"keeps spread", "internal/install/plan/production_test.go:TestProductionPodsAreSpreadAndAboveOthers"},
	},
	{
		{"serves metrics of operator and operands", "controllers/manager_test.go:TestHealthAndMetricsAreServed"},
		{"has alerts with runbooks", "config/monitoring_test.go:TestAlertsAskForMetricsThatExistAndHaveRunbooks"},
		{"writes Events of its own", "controllers/drift_test.go:TestDriftIsPutRightAndNamed"},
	},
	{
		{"scales on the operands' metrics", ""},
	},
}

// capability is the highest level of which, and below which, all is shown.
func capability() string {
	level := bundlecheck.Levels[0]
	for i, rows := range capabilities {
		for _, row := range rows {
			if row.test == "" {
				return level
			}
		}
		level = bundlecheck.Levels[i]
	}
	return level
}
