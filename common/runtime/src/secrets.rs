//! To be written. The lead's code uses: CredentialSource { async credentials(&CredentialsRef); async forget(&CredentialsRef) } as a dyn trait,
//! CredentialError::class() -> cloud_sync_core::error::ErrorClass (missing/malformed = Auth, Secrets Manager down = Network),
//! EnvAndSecretsManager::connect(&aws_config::SdkConfig).
