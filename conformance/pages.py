"""The pages of AWS's documentation that the tests quote."""

GUIDE = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
HOW = GUIDE + "V2globaltables_HowItWorks.html"
TABLES = GUIDE + "GlobalTables.html"
PRACTICE = GUIDE + "bp-global-table-design.html"
VERSIONS = GUIDE + "V2globaltables_versions.html"
EXPIRY = GUIDE + "V2globaltables_versions.html"
UPDATE_TABLE = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html"
LOCAL_REGION = "https://github.com/aws/aws-cli/issues/4906"  # an answer of AWS's, as its users saw it
